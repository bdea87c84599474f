"""How words become terms: signs and quantities, languages, compounds, codes. Pure, except where a client is passed in."""
