-- want: refused
#!/usr/bin/lua
