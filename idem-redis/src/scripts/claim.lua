-- ARGV: owner, fingerprint or '-', at most once, reconciling, lease, ttl
local owner, fp, at_most_once, reconciling = ARGV[1], ARGV[2], ARGV[3] == '1', ARGV[4] == '1'
local lease, ttl = tonumber(ARGV[5]), tonumber(ARGV[6])

local earlier, after_unknown
if old then
  local same = old.fp == '-' or fp == '-' or old.fp == fp
  local mine = old.owner == owner
  if old.state == 'running' and mine then
    -- The same claim, sent again.
    renew(old)
    return write(old, '') or { 1, old.bytes, now }
  elseif STATES[old.state] == 3 then
    return keep(true)
  elseif mine then
    return keep(true)
  elseif old.state == 'released' then
    if same then
      earlier = old
    elseif old.count > 0 then
      return keep(true)
    end
  elseif not same
    or (old.state == 'running' and old.till > now)
    or ((old.m or at_most_once) and not reconciling)
  then
    return keep(true)
  else
    earlier, after_unknown = old, true
  end
end

local r = {
  state = 'running', owner = owner, fence = next_fence, attempt = 1, lease = lease, ttl = ttl,
  since = now, till = now + lease, expires = now + lease + ttl, fp = fp, m = at_most_once, f = true, b = true,
  u = after_unknown, steps = '', count = 0,
}
if earlier then
  r.attempt = math.min(earlier.attempt + 1, 4294967295)
  if fp == '-' then r.fp = earlier.fp end
  r.m = at_most_once or earlier.m
  r.f, r.b = earlier.fp == '-', not earlier.m
  r.steps, r.count = earlier.steps, earlier.count
  -- A claim that is withdrawn must not have shortened what is known of the attempts before it.
  r.expires = math.max(r.expires, earlier.expires)
end
return write(r, '') or { 1, r.bytes, now }
