"""One question a module: run(bench) asks it, tables(data) shows the answer; what runs in a worker stands there too."""
