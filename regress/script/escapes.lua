error("a\27[2Jb")
