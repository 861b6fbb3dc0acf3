-- want: end
return {
--*30000 {'a'},
}
