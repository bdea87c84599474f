"""How catalogues write the values of cells: numbers, money, units, dates, lists, null words, languages, markup."""
