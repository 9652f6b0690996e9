"""Mappings of tables: what one row of a warehouse or an export means, as an event of somebody who is known already."""
