"""The page for the team: every answer of abkit in a browser, over the same workflows as the command line.

`app.py` puts it together, `server.py` runs it, `rendering.py` fills templates. `access/` says who may do what,
`pages/` has a module for each page, and `api/` says the same in JSON.
"""
