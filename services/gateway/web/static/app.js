// What scripts add to pages that work without them. Each module minds one thing.
