-- want: refused C stack overflow
return 1
--*100000  ^ 1
