-- Reads the record: `r` is as it was written, `old` the same unless its retention is over. What cannot be read is left alone.
-- Numbers stay text until they are counted with, for turning them is what takes the time.
local RANK = { running = 0, failed = 1, unknown = 2, unreplayable = 3, completed = 3 }
local r, old
if found then
  local state, owner, fence, attempt, flags, lease, ttl, expires, since, till, fp, count, length, body = string.match(found,
    '^idem1 (%l+) owner=([%da-f]+) fence=(%d+) attempt=(%d+) flags=(f?m?b?u?) lease=(%d+) ttl=(%d+)'
    .. ' expires=(%d+) since=(%d+) until=(%d+) fp=([%da-f-]+) steps=(%d+):(%d+)\n()')
  local MOST = '9007199254740992' -- beyond this a Lua number loses digits
  if not body or #owner ~= 32 or not RANK[state]
    or fp ~= '-' and (#fp ~= 64 or string.find(fp, '-', 1, true))
    or #fence > 16 or #fence == 16 and fence > MOST or #lease > 16 or #lease == 16 and lease > MOST
    or #ttl > 16 or #ttl == 16 and ttl > MOST or #expires > 16 or #expires == 16 and expires > MOST
    or #since > 16 or #since == 16 and since > MOST or #till > 16 or #till == 16 and till > MOST
    or #attempt > 10 or #attempt == 10 and attempt > '4294967295' or #count > 10 or #length > 10
  then
    return { 0, found, now }
  end
  local size, steps = body - 1 + length, ''
  if size > #found or state ~= 'completed' and size < #found then return { 0, found, now } end
  if size >= body or count ~= '0' then
    -- Each step is a name and a result, both after their lengths.
    steps = string.sub(found, body, size)
    local at, parts = 1, 0
    while at <= #steps do
      local a, b, c, d = string.byte(steps, at, at + 3)
      if not d then return { 0, found, now } end
      at, parts = at + 4 + ((a * 256 + b) * 256 + c) * 256 + d, parts + 1
    end
    if at ~= #steps + 1 or parts ~= count * 2 then return { 0, found, now } end
  end
  r = {
    state = state, owner = owner, fence = fence, attempt = attempt, flags = flags, lease = lease, ttl = ttl,
    expires = expires, since = since, till = till, fp = fp, count = count, size = size, steps = steps,
  }
  -- A record whose retention is over counts as none, except that its fence still rises.
  if tonumber(expires) > now then
    old = r
  else
    -- Redis deletes it a second later. One that it is to keep for longer was not over when it was written: it is damaged, and
    -- may be of something that is done.
    local left = redis.pcall('PTTL', KEYS[1])
    if type(left) == 'number' and left > 2000 then return { 0, found, now } end
  end
end
