"""Write programs and solve word problems."""
