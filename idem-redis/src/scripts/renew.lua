-- ARGV: owner
if not old or old.owner ~= ARGV[1] or old.state ~= 'running' then
  return { 0, found and string.sub(found, 1, r.size), now }
end
local result, channel, grants = '', nil, false
local till = now + r.lease
local expires = math.max(till + r.ttl, tonumber(r.expires))
r.till = string.format('%d', till)
