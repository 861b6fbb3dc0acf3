-- want: refused
return
--*10000 function() return 
