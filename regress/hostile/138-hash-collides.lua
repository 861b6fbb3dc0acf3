-- want: lost
-- Whole numbers are spread over a table by their remainder.  These go well
-- into one of 2^17 and all into one place of one of 2^18, which they are put
-- into by a single instruction: it would take half a minute.
local t = {}
for i = 1, 131073 do t[i * 262143] = true end
