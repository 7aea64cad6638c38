-- ARGV: owner, fence or '', ending, result, channel or ''
local fence, ending, result, channel, grants = ARGV[2], ARGV[3], ARGV[4], ARGV[5], false
local rank = RANK[ending] or 1
-- Endings only rise: sent again or out of order they change nothing, and a late success still lands.
if not old or old.owner ~= ARGV[1] or (fence ~= '' and old.fence ~= fence) or rank <= RANK[old.state] then
  return { 0, found and string.sub(found, 1, r.size), now }
end
local expires = now + r.ttl
if ending == 'withdrawn' then
  r.state = string.find(r.flags, 'u', 1, true) and 'unknown' or 'failed'
  r.attempt = string.format('%d', math.max(r.attempt - 1, 0))
  expires = math.max(expires, tonumber(r.expires))
  -- It takes with it what it brought.
  if string.find(r.flags, 'f', 1, true) then r.fp = '-' end
  if string.find(r.flags, 'b', 1, true) then r.flags = string.gsub(r.flags, 'm', '') end
else
  r.state = ending
  if rank == 3 then r.steps, r.count = '', '0' end
end
