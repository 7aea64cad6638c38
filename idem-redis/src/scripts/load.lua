-- No arguments: the record as it is.
return keep(true)
