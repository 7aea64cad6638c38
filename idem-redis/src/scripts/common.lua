-- What every verb begins with: reads the record under KEYS[1], and says how one is written.
-- The record's life is `transition` in idem-core; these scripts write exactly when it does, and otherwise answer with what
-- they found and the time, for the client to ask it.
local LIMIT = 9007199254740992 -- beyond this a Lua number loses digits

local function number(digits, limit)
  local n = #digits <= 16 and tonumber(digits)
  return n and n <= (limit or LIMIT) and n or nil
end

local function text(n)
  return string.format('%.0f', n)
end

-- Whether these bytes are so many steps: each a name and a result, both after their lengths.
local function are_steps(bytes, count)
  local at, parts = 1, 0
  while at <= #bytes do
    local a, b, c, d = string.byte(bytes, at, at + 3)
    if not d then return false end
    at, parts = at + 4 + ((a * 256 + b) * 256 + c) * 256 + d, parts + 1
  end
  return at == #bytes + 1 and parts == count * 2
end

local STATES = { running = 0, released = 1, abandoned = 2, unreplayable = 3, completed = 3 }
local HEAD = '^idem1 (%l+) owner=([%da-f]+) fence=(%d+) attempt=(%d+) flags=([fmbu]*) lease=(%d+) ttl=(%d+)'
  .. ' expires=(%d+) since=(%d+) until=(%d+) fp=([%da-f-]+) steps=(%d+):(%d+)$'

-- A record read back; nil when this version cannot read it.
local function parse(bytes)
  local ending = string.find(bytes, '\n', 1, true)
  if not ending or ending > 512 then return nil end
  local state, owner, fence, attempt, flags, lease, ttl, expires, since, till, fp, count, length =
    string.match(string.sub(bytes, 1, ending - 1), HEAD)
  if not length or not STATES[state] or #owner ~= 32 or #flags > 4 then return nil end
  if fp ~= '-' and (#fp ~= 64 or string.find(fp, '-', 1, true)) then return nil end
  local r = {
    state = state, owner = owner, fence = number(fence), attempt = number(attempt, 4294967295),
    lease = number(lease), ttl = number(ttl), expires = number(expires), since = number(since), till = number(till),
    fp = fp, count = number(count, 4294967295), length = number(length),
  }
  if not (r.fence and r.attempt and r.lease and r.ttl and r.expires and r.since and r.till and r.count and r.length) then
    return nil
  end
  for i = 1, #flags do
    local flag = string.sub(flags, i, i)
    if r[flag] then return nil end
    r[flag] = true
  end
  r.size = ending + r.length
  if r.size > #bytes or (state ~= 'completed' and r.size < #bytes) then return nil end
  r.steps = string.sub(bytes, ending + 1, r.size)
  if not are_steps(r.steps, r.count) then return nil end
  return r
end

local found = redis.pcall('GET', KEYS[1])
if type(found) == 'table' then return found end -- an error, such as another type under the key
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local record = found and parse(found)

-- Nothing is written: the client is told all that was found, or all but the result.
local function keep(whole)
  if record and not whole then return { 0, string.sub(found, 1, record.size), now } end
  return { 0, found, now }
end

-- Writes a record. Key expiry is its retention, a second late; the answer is an error, or nil.
local function write(r, payload)
  if r.state ~= 'running' then r.since, r.till = 0, 0 end
  local flags = (r.f and 'f' or '') .. (r.m and 'm' or '') .. (r.b and 'b' or '') .. (r.u and 'u' or '')
  r.bytes = 'idem1 ' .. r.state .. ' owner=' .. r.owner .. ' fence=' .. text(r.fence) .. ' attempt=' .. text(r.attempt)
    .. ' flags=' .. flags .. ' lease=' .. text(r.lease) .. ' ttl=' .. text(r.ttl) .. ' expires=' .. text(r.expires)
    .. ' since=' .. text(r.since) .. ' until=' .. text(r.till) .. ' fp=' .. r.fp
    .. ' steps=' .. text(r.count) .. ':' .. text(#r.steps) .. '\n' .. r.steps
  local kept_until = text(math.ceil(r.expires / 1000) + 1000)
  local set = redis.pcall('SET', KEYS[1], r.bytes .. payload, 'PXAT', kept_until)
  if set.err then return set end
end

local function renew(r)
  r.till = now + r.lease
  r.expires = math.max(r.till + r.ttl, r.expires)
end

-- A hint for whoever waits. That it may not be given is no reason to fail.
local function publish(channel)
  if channel ~= '' then redis.pcall('PUBLISH', channel, '') end
end

if found and not record then return keep(true) end
-- A record whose retention is over counts as none, except that its fence still rises.
local old = record and record.expires > now and record or nil
local next_fence = math.max((record and record.fence or 0) + 1, now)
