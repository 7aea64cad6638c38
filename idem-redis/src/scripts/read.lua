-- Every verb begins with this: what is under the key, and the time.
-- The record's life is `transition` in idem-core. These scripts write exactly when it does; otherwise they answer with what
-- they found and the time, and the client asks it.
local found = redis.pcall('GET', KEYS[1])
if type(found) == 'table' then return found end -- an error, such as another type under the key
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
