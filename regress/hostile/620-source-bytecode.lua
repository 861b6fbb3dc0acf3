-- want: refused unexpected symbol
LuaTT
