proxy.Pass()
