-- want: refused C levels
return
--*100000 (
