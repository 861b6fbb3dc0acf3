-- want: refused C levels
return 1
--*100000  ^ 1
