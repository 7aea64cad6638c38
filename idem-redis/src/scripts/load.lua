return { 0, found, now }
