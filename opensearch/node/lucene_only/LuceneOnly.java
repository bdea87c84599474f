// A plugin of the local node, whose k-NN plugin has no native libraries: the first document of a vector field of another
// engine than Lucene would end the process. Fields that name no engine get Lucene; fields that need another one are
// refused, in new indices, mappings and templates alike.
//
// Build lucene-only.jar with JDK 21 and the jars of the engine's lib folder:
//   javac --release 21 -proc:none -g:none -cp 'lib/*' -d build LuceneOnly.java
//   jar --create --no-manifest --file lucene-only.jar -C build vitrine

package vitrine;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.opensearch.core.action.ActionListener;
import org.opensearch.index.mapper.MapperParsingException;
import org.opensearch.index.mapper.MappingTransformer;
import org.opensearch.plugins.MapperPlugin;
import org.opensearch.plugins.Plugin;

public final class LuceneOnly extends Plugin implements MapperPlugin, MappingTransformer {
    public List<MappingTransformer> getMappingTransformers() {
        return List.of(this);
    }

    public void transform(
            Map<String, Object> mapping, MappingTransformer.TransformContext context, ActionListener<Void> listener) {
        visit("mapping", mapping);
        listener.onResponse(null);
    }

    private static void visit(String name, Object value) {
        if (value instanceof List<?> list) {
            list.forEach(item -> visit(name, item));
        } else if (value instanceof Map<?, ?> map) {
            if ("knn_vector".equals(map.get("type"))) {
                checkField(name, map);
            }
            map.forEach((key, child) -> visit(String.valueOf(key), child));
        }
    }

    @SuppressWarnings("unchecked")
    private static void checkField(String name, Map<?, ?> map) {
        Map<String, Object> field = (Map<String, Object>) map;
        Object method = field.get("method");
        Object engine = field.get("engine");
        if (engine == null && method instanceof Map<?, ?> given) {
            engine = given.get("engine");
        }
        if (engine != null && !"lucene".equals(engine)) {
            throw refused(name, "engine " + engine + ",");
        }
        if (field.containsKey("model_id")) {
            throw refused(name, "a trained model, which is of engine faiss,");
        }
        if ("on_disk".equals(field.get("mode"))) {
            throw refused(name, "mode on_disk,");
        }
        Object compression = field.get("compression_level");
        if (compression != null && !List.of("1x", "4x").contains(compression)) {
            throw refused(name, "compression_level " + compression + ",");
        }
        if (method instanceof Map<?, ?> given && isOneBit(given)) {
            throw refused(name, "an encoder of 1 bit,");
        }
        if (engine == null && method instanceof Map<?, ?> given) {
            Map<String, Object> named = new LinkedHashMap<>((Map<String, Object>) given);
            named.put("engine", "lucene");
            field.put("method", named);
        } else if (engine == null) {
            field.put("engine", "lucene");
        }
    }

    private static boolean isOneBit(Map<?, ?> method) {
        return method.get("parameters") instanceof Map<?, ?> parameters
                && parameters.get("encoder") instanceof Map<?, ?> encoder
                && encoder.get("parameters") instanceof Map<?, ?> values
                && "1".equals(String.valueOf(values.get("bits")));
    }

    private static MapperParsingException refused(String name, String what) {
        return new MapperParsingException(
                "the vector field [" + name + "] asks for " + what + " which needs native libraries, and this local node of"
                        + " Vitrine has none: its first document would end the node. Write \"method\": {\"name\": \"hnsw\","
                        + " \"engine\": \"lucene\"} in the field, or use an OpenSearch of the full distribution"
                        + " (`vitrine node up --docker`)");
    }
}
