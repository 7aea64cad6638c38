-- ARGV: owner, how many steps came before, the step
if not old or old.owner ~= ARGV[1] or old.state ~= 'running' or old.count ~= tonumber(ARGV[2]) then return keep(false) end
old.steps, old.count = old.steps .. ARGV[3], old.count + 1
return write(old, '') or 1
