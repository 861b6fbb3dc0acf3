reject(db.value("s", "x"))
