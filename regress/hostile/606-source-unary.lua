-- want: refused C stack overflow
return
--*100000 not 
true
