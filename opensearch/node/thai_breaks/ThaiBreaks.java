// Word, line, character and sentence breaks of Thai for Java runtimes without the module jdk.localedata. OpenSearch
// refuses to create any index on such a runtime, because its Thai tokenizer finds no break iterator. The breaks are those
// of the root locale; words break at every character.
//
// Build thai-breaks.jar with JDK 25:
//   javac --release 21 -g:none -d build ThaiBreaks.java
//   mkdir -p build/META-INF/services
//   echo ThaiBreaks > build/META-INF/services/java.text.spi.BreakIteratorProvider
//   jar --create --no-manifest --file thai-breaks.jar -C build META-INF -C build ThaiBreaks.class

import java.text.BreakIterator;
import java.text.spi.BreakIteratorProvider;
import java.util.Locale;

public final class ThaiBreaks extends BreakIteratorProvider {
    public Locale[] getAvailableLocales() {
        return new Locale[] {Locale.of("th")};
    }

    public BreakIterator getWordInstance(Locale locale) {
        return BreakIterator.getCharacterInstance(Locale.ROOT);
    }

    public BreakIterator getLineInstance(Locale locale) {
        return BreakIterator.getLineInstance(Locale.ROOT);
    }

    public BreakIterator getCharacterInstance(Locale locale) {
        return BreakIterator.getCharacterInstance(Locale.ROOT);
    }

    public BreakIterator getSentenceInstance(Locale locale) {
        return BreakIterator.getSentenceInstance(Locale.ROOT);
    }
}
