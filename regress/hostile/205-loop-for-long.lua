-- want: cpu
for i = math.mininteger, math.maxinteger do end
