-- want: error too many steps
while true do re.match(('ab'):rep(512), '(.{0,255}.{0,255}.{0,255})x') end
