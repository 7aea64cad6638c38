-- Verbs that write end with this: `r` is written, with `result` behind it.
if r.state ~= 'running' then r.since, r.till = 0, 0 end
local bytes = string.format('idem1 %s owner=%s fence=%d attempt=%d flags=%s lease=%d ttl=%d expires=%d since=%d'
  .. ' until=%d fp=%s steps=%d:%d\n', r.state, r.owner, r.fence, r.attempt, r.flags, r.lease, r.ttl, r.expires, r.since,
  r.till, r.fp, r.count, #r.steps) .. r.steps
-- Key expiry is the retention, a second late; the lease is a field of the record.
local set = redis.pcall('SET', KEYS[1], bytes .. result, 'PXAT', string.format('%d', math.ceil(r.expires / 1000) + 1000))
if set.err then return set end
-- A hint for whoever waits. That it may not be given is no reason to fail.
if channel and channel ~= '' then redis.pcall('PUBLISH', channel, '') end
return grants and { 1, bytes, now } or 1
