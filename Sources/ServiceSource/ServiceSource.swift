// ServiceSource
