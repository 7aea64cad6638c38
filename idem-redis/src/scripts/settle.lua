-- ARGV: fence, whether it was done, the new owner, settlement, result, channel or ''
local result, channel, grants = ARGV[5], ARGV[6], false
local settlement = ARGV[4]
if not old or old.owner == ARGV[3] or old.fence ~= tonumber(ARGV[1])
  or (RANK[old.state] == 3) ~= (ARGV[2] == '1')
  or old.state == 'running' and old.till > now
then
  return { 0, found and string.sub(found, 1, r.size), now }
end
r.owner, r.fence, r.expires, r.flags = ARGV[3], next_fence, now + r.ttl, string.gsub(r.flags, 'u', '')
r.state = settlement == 'forgotten' and 'released' or settlement
if settlement ~= 'released' then r.steps, r.count = '', 0 end
if settlement == 'forgotten' then r.attempt, r.fp, r.flags = 0, '-', string.gsub(r.flags, 'm', '') end
