-- The end of every verb that writes: stores `r` and then `result`, until `expires`.
if r.state ~= 'running' then r.since, r.till = '0', '0' end
local bytes = 'idem1 ' .. r.state .. ' owner=' .. r.owner .. ' fence=' .. r.fence .. ' attempt=' .. r.attempt .. ' flags='
  .. r.flags .. ' lease=' .. r.lease .. ' ttl=' .. r.ttl .. ' expires=' .. string.format('%d', expires) .. ' since=' .. r.since
  .. ' until=' .. r.till .. ' fp=' .. r.fp .. ' steps=' .. r.count .. ':' .. #r.steps .. '\n' .. r.steps
-- The key expires one second after the retention; the lease is a field of the record.
local set = redis.pcall('SET', KEYS[1], bytes .. result, 'PXAT', string.format('%d', math.ceil(expires / 1000) + 1000))
if set.err then return set end
-- Notify the waiting calls. If the user may not publish, the verb does not fail.
if channel and channel ~= '' then redis.pcall('PUBLISH', channel, '') end
return grants and { 1, bytes, now } or 1
