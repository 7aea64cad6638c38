-- ARGV: fence, whether it was done, the new owner, settlement, result, channel or ''
local settlement = ARGV[4]
if not old or old.owner == ARGV[3] or old.fence ~= tonumber(ARGV[1])
  or (STATES[old.state] == 3) ~= (ARGV[2] == '1')
  or (old.state == 'running' and old.till > now)
then
  return keep(false)
end
old.owner, old.fence, old.expires, old.u = ARGV[3], next_fence, now + old.ttl, false
old.state = settlement == 'forgotten' and 'released' or settlement
if settlement ~= 'released' then old.steps, old.count = '', 0 end
if settlement == 'forgotten' then old.attempt, old.fp, old.m = 0, '-', false end
local failed = write(old, ARGV[5])
if failed then return failed end
publish(ARGV[6])
return 1
