"""The heart: recipes are drawn by methods and rendered by operations and blends."""
