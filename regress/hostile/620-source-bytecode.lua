-- want: refused
LuaTT
