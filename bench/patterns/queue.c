/*
 * The bounded queue of pipeline.c and cross_free.c; queue.h is the contract.
 * Batches are copied under the lock, 2 KiB each.
 */
#include "queue.h"

void queue_init(struct queue *queue, int nwriters)
{
	pthread_mutex_init(&queue->lock, NULL);
	pthread_cond_init(&queue->not_empty, NULL);
	pthread_cond_init(&queue->not_full, NULL);
	queue->nwriters = nwriters;
}

static void copy(struct queue_batch *to, const struct queue_batch *from)
{
	to->count = from->count;
	memcpy(to->blocks, from->blocks,
	       (size_t)from->count * sizeof(from->blocks[0]));
}

void queue_put(struct queue *queue, const struct queue_batch *batch)
{
	pthread_mutex_lock(&queue->lock);
	while (queue->nput - queue->ntaken == QUEUE_LENGTH)
		pthread_cond_wait(&queue->not_full, &queue->lock);
	copy(&queue->batches[queue->nput++ % QUEUE_LENGTH], batch);
	pthread_cond_signal(&queue->not_empty);
	pthread_mutex_unlock(&queue->lock);
}

void queue_end(struct queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->nwriters--;
	pthread_cond_broadcast(&queue->not_empty);
	pthread_mutex_unlock(&queue->lock);
}

bool queue_take(struct queue *queue, struct queue_batch *batch)
{
	bool found;

	pthread_mutex_lock(&queue->lock);
	while (queue->nput == queue->ntaken && queue->nwriters > 0)
		pthread_cond_wait(&queue->not_empty, &queue->lock);
	found = queue->nput != queue->ntaken;
	if (found)
		copy(batch, &queue->batches[queue->ntaken++ % QUEUE_LENGTH]);
	pthread_cond_signal(&queue->not_full);
	pthread_mutex_unlock(&queue->lock);
	return found;
}
