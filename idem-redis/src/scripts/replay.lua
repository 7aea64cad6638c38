-- A replay, the most frequent of claims, needs no more of the record than that it is done and not over yet.
if found and string.sub(found, 1, 16) == 'idem1 completed ' then
  local expires = tonumber(string.match(found, ' expires=(%d+) '))
  if expires and expires > now then return { 0, found, now } end
end
