-- ARGV: owner
if not old or old.owner ~= ARGV[1] or old.state ~= 'running' then return keep(false) end
renew(old)
return write(old, '') or 1
