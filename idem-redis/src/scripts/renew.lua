-- ARGV: owner
if not old or old.owner ~= ARGV[1] or old.state ~= 'running' then
  return { 0, found and string.sub(found, 1, r.size), now }
end
local result, channel, grants = '', nil, false
r.till = now + r.lease
r.expires = math.max(r.till + r.ttl, r.expires)
