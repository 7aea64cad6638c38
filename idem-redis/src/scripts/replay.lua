-- A replay, the most frequent of claims, needs no more of the record than that it is done and not over yet. Looking for plain
-- text takes a third of the time of looking for a pattern.
if found and string.sub(found, 1, 16) == 'idem1 completed ' then
  local _, at = string.find(found, ' expires=', 17, true)
  local expires = at and string.match(found, '^(%d+) ', at + 1)
  if expires and tonumber(expires) > now then return { 0, found, now } end
end
