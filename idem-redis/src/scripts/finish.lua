-- ARGV: owner, ending, result, channel or ''
local ending = ARGV[2]
local rank = ending == 'withdrawn' and 1 or STATES[ending]
-- Endings only rise: sent again or out of order they change nothing, and a late success still lands.
if not old or old.owner ~= ARGV[1] or rank <= STATES[old.state] then return keep(false) end
local expires = now + old.ttl
if ending == 'withdrawn' then
  old.state = old.u and 'abandoned' or 'released'
  old.attempt = math.max(old.attempt - 1, 0)
  old.expires = math.max(expires, old.expires)
  if old.f then old.fp = '-' end
  old.m = old.m and not old.b
else
  old.state, old.expires = ending, expires
  if rank == 3 then old.steps, old.count = '', 0 end
end
local failed = write(old, ARGV[3])
if failed then return failed end
publish(ARGV[4])
return 1
