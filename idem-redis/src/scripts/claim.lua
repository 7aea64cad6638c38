-- ARGV: owner, fingerprint or '-', at most once, reconciling, lease, ttl
local owner, fp, at_most_once = ARGV[1], ARGV[2], ARGV[3] == '1'
local result, channel, grants, expires = '', nil, true, nil
if old and old.owner == owner and old.state == 'running' then
  -- The same claim, sent again.
  local till = now + old.lease
  r.till = string.format('%d', till)
  expires = math.max(till + old.ttl, tonumber(old.expires))
else
  local earlier, after_unknown
  if old then
    local same = old.fp == '-' or fp == '-' or old.fp == fp
    if RANK[old.state] == 3 or old.owner == owner then
      return { 0, found, now }
    elseif old.state == 'failed' then
      if same then
        earlier = old
      elseif old.steps ~= '' then
        return { 0, found, now }
      end
    elseif not same
      or old.state == 'running' and tonumber(old.till) > now
      or (at_most_once or string.find(old.flags, 'm', 1, true)) and ARGV[4] ~= '1'
    then
      return { 0, found, now }
    else
      earlier, after_unknown = old, true
    end
  end
  local since, till = string.format('%d', now), now + ARGV[5]
  expires = till + ARGV[6]
  local fence = r and r.fence + 1 or 0
  r = {
    state = 'running', owner = owner, fence = fence > now and string.format('%d', fence) or since, attempt = '1',
    flags = at_most_once and 'fmb' or 'fb', lease = ARGV[5], ttl = ARGV[6], since = since, till = string.format('%d', till),
    fp = fp, count = '0', steps = '',
  }
  if earlier then
    local demanded = string.find(earlier.flags, 'm', 1, true)
    r.attempt = string.format('%d', math.min(earlier.attempt + 1, 4294967295))
    r.flags = (earlier.fp == '-' and 'f' or '') .. ((at_most_once or demanded) and 'm' or '') .. (demanded and '' or 'b')
      .. (after_unknown and 'u' or '')
    if fp == '-' then r.fp = earlier.fp end
    r.count, r.steps = earlier.count, earlier.steps
    -- A claim that is withdrawn must not have shortened what is known of the attempts before it.
    expires = math.max(expires, tonumber(earlier.expires))
  end
end
