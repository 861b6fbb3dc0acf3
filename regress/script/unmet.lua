if arguments.command == "XHI" then
	proxy.Reply{"hi", "you"}
elseif arguments.command then
	proxy.Pass()
end
list.has("ours", arguments.recipient)
