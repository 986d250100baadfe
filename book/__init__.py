"""How the text is built, served and tested. The cells of the pages never import this package."""
