-- ARGV: owner, how many steps came before, the step
if not old or old.owner ~= ARGV[1] or old.state ~= 'running' or tonumber(old.count) ~= tonumber(ARGV[2]) then
  return { 0, found and string.sub(found, 1, r.size), now }
end
local result, channel, grants, expires = '', nil, false, tonumber(r.expires)
r.steps, r.count = r.steps .. ARGV[3], string.format('%d', r.count + 1)
