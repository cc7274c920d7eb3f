// NFTablesBackend
