-- ARGV: fence, whether it was done, the new owner, settlement, result, channel or ''
local result, channel, grants = ARGV[5], ARGV[6], false
local settlement = ARGV[4]
if not old or old.owner == ARGV[3] or tonumber(old.fence) ~= tonumber(ARGV[1])
  or (RANK[old.state] == 3) ~= (ARGV[2] == '1')
  or old.state == 'running' and tonumber(old.till) > now
then
  return { 0, found and string.sub(found, 1, r.size), now }
end
local expires = now + r.ttl
r.owner, r.fence = ARGV[3], string.format('%d', math.max(r.fence + 1, now))
r.flags = string.gsub(r.flags, 'u', '')
r.state = settlement == 'forgotten' and 'failed' or settlement
if settlement ~= 'failed' then r.steps, r.count = '', '0' end
if settlement == 'forgotten' then
  r.attempt, r.fp = '0', '-'
  r.flags = string.gsub(r.flags, 'm', '')
end
