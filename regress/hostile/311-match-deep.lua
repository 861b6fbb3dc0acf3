-- want: error pattern too complex
return ('a'):rep(1000):match(('a?'):rep(1000))
