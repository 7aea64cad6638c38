-- Reads the record: `r` is as it was written, `old` the same unless its retention is over. What cannot be read is left alone.
local RANK = { running = 0, released = 1, abandoned = 2, unreplayable = 3, completed = 3 }
local r, old
local next_fence = now
if found then
  local LIMIT = 9007199254740992 -- beyond this a Lua number loses digits
  local state, owner, fence, attempt, flags, lease, ttl, expires, since, till, fp, count, length, body = string.match(found,
    '^idem1 (%l+) owner=([%da-f]+) fence=(%d+) attempt=(%d+) flags=(f?m?b?u?) lease=(%d+) ttl=(%d+)'
    .. ' expires=(%d+) since=(%d+) until=(%d+) fp=([%da-f-]+) steps=(%d+):(%d+)\n()')
  if not body or body > 513 or #owner ~= 32 or not RANK[state]
    or fp ~= '-' and (#fp ~= 64 or string.find(fp, '-', 1, true))
  then
    return { 0, found, now }
  end
  local n = tonumber
  r = {
    state = state, owner = owner, fence = n(fence), attempt = n(attempt), flags = flags, lease = n(lease), ttl = n(ttl),
    expires = n(expires), since = n(since), till = n(till), fp = fp, count = n(count), size = body - 1 + n(length),
  }
  if r.fence > LIMIT or r.attempt > 4294967295 or r.lease > LIMIT or r.ttl > LIMIT or r.expires > LIMIT or r.since > LIMIT
    or r.till > LIMIT or r.size > #found or state ~= 'completed' and r.size < #found
  then
    return { 0, found, now }
  end
  r.steps = string.sub(found, body, r.size)
  -- Each step is a name and a result, both after their lengths.
  local at, parts = 1, 0
  while at <= #r.steps do
    local a, b, c, d = string.byte(r.steps, at, at + 3)
    at, parts = at + 4 + (d and ((a * 256 + b) * 256 + c) * 256 + d or LIMIT), parts + 1
  end
  if at ~= #r.steps + 1 or parts ~= r.count * 2 then return { 0, found, now } end
  -- A record whose retention is over counts as none, except that its fence still rises.
  if r.expires > now then old = r end
  next_fence = math.max(r.fence + 1, now)
end
