-- want: refused C stack overflow
return
--*10000 function() return 
