"""What a server carries: work that costs nothing itself, callers in numbers, and the sums."""
