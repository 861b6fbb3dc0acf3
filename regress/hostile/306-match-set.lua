-- want: error too many steps
return ('a'):rep(100000):find('[' .. ('b'):rep(100000) .. ']')
