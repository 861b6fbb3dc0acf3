-- want: refused unexpected symbol
#!/usr/bin/lua
